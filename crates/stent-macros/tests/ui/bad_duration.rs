#[stent::durable(timeout = "30 flights", retry(initial_delay = "-5m", max_delay = 60))]
async fn charge(cents: u64) -> stent::Result<u64> {
    Ok(cents)
}

fn main() {}
