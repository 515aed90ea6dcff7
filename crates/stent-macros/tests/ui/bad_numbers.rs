#[stent::durable(
    priority = 3_000_000_000,
    version = 0,
    retry(max_attempts = 0, backoff = 0.5, jitter = 2)
)]
async fn charge(cents: u64) -> stent::Result<u64> {
    Ok(cents)
}

#[stent::durable(priority = high, version = -1, retry(max_attempts = 1.5, backoff = "2", jitter = -0.1))]
async fn refund(cents: u64) -> stent::Result<u64> {
    Ok(cents)
}

fn main() {}
