#[stent::durable(blocking)]
async fn both(cents: u64) -> stent::Result<u64> {
    Ok(cents)
}

#[stent::durable]
fn neither(cents: u64) -> stent::Result<u64> {
    Ok(cents)
}

fn main() {}
