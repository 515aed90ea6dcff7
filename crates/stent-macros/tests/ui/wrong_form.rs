#[stent::durable(retry = 3, queue("mail"), blocking = true, timeout, priority(1))]
async fn charge(cents: u64) -> stent::Result<u64> {
    Ok(cents)
}

#[stent::durable(retry(5, when = |error| true))]
async fn refund(cents: u64) -> stent::Result<u64> {
    Ok(cents)
}

fn main() {}
