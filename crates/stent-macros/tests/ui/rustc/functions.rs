use stent::functions;

#[stent::durable]
async fn charge(cents: u64) -> stent::Result<u64> {
    Ok(cents)
}

struct NotDurable;

fn plain() {}

fn main() {
    let _ = functions![NotDurable];
    let _ = functions![plain];
    let _ = functions![missing];
    let _ = functions![charge, charge];
    let _ = functions![charge, plain, charge, plain];
    let _ = functions![charge()];
}
