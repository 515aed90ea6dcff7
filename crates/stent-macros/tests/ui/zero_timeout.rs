#[stent::durable(timeout = "0s", retry(initial_delay = "10s", max_delay = "5s"))]
async fn charge(cents: u64) -> stent::Result<u64> {
    Ok(cents)
}

fn main() {}
