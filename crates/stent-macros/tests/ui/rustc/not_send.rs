use std::rc::Rc;

#[stent::durable]
async fn charge(cents: u64) -> stent::Result<u64> {
    let kept = Rc::new(cents);
    stent::sleep("1s").await?;
    Ok(*kept)
}

fn main() {}
