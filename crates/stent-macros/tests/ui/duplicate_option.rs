#[stent::durable(queue = "a", queue = "b", retry(jitter = 0.1, jitter = 0.2), retry)]
async fn charge(cents: u64) -> stent::Result<u64> {
    Ok(cents)
}

fn main() {}
