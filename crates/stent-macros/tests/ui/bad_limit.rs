#[stent::durable(max_concurrent = 0)]
async fn none(cents: u64) -> stent::Result<u64> {
    Ok(cents)
}

#[stent::durable(max_concurrent = -1)]
async fn negative(cents: u64) -> stent::Result<u64> {
    Ok(cents)
}

#[stent::durable(max_concurrent(2_147_483_648, while_waiting = "sleep"))]
async fn absurd(cents: u64) -> stent::Result<u64> {
    Ok(cents)
}

#[stent::durable(max_concurrent(while_waiting = "release"))]
async fn numberless(cents: u64) -> stent::Result<u64> {
    Ok(cents)
}

#[stent::durable(max_concurrent)]
async fn flag(cents: u64) -> stent::Result<u64> {
    Ok(cents)
}

#[stent::durable(max_concurrent(1, 2))]
async fn two(cents: u64) -> stent::Result<u64> {
    Ok(cents)
}

fn main() {}
