#[stent::durable(name = "", queue = "a\0b")]
async fn empty(cents: u64) -> stent::Result<u64> {
    Ok(cents)
}

#[stent::durable(name = "charge@2", queue = mail)]
async fn versioned(cents: u64) -> stent::Result<u64> {
    Ok(cents)
}

#[stent::durable(
    name = "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012",
    version = 1_000
)]
async fn long(cents: u64) -> stent::Result<u64> {
    Ok(cents)
}

fn main() {}
