#[derive(Debug)]
struct Broken;

#[stent::durable]
async fn charge(cents: u64) -> Result<u64, Broken> {
    Ok(cents)
}

fn main() {}
