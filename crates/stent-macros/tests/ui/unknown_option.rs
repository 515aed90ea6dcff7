#[stent::durable(max_concurency = 4, retry(attempts = 3), colour, cron("daily"), 5)]
async fn charge(cents: u64) -> stent::Result<u64> {
    Ok(cents)
}

fn main() {}
