#[derive(Debug)]
struct Broken;

fn is_broken(_: &Broken) -> bool {
    true
}

#[stent::durable(retry(when = is_broken))]
async fn charge(cents: u64) -> stent::Result<u64> {
    Ok(cents)
}

fn main() {}
