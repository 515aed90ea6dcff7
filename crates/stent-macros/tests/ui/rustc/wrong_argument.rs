use stent::MapExt;

#[stent::durable]
async fn charge(cents: u64) -> stent::Result<u64> {
    Ok(cents)
}

fn main() {
    let _ = charge("100");
    let _ = charge(1, 2);
    let _ = charge.map(["a"]);
    let _ = charge(1).delay(5);
    charge(1);
}
