#[stent::durable]
async unsafe fn dangerous(cents: u64) -> stent::Result<u64> {
    Ok(cents)
}

#[stent::durable(blocking)]
extern "C" fn foreign(cents: u64) -> stent::Result<u64> {
    Ok(cents)
}

#[stent::durable(blocking)]
const fn constant(cents: u64) -> stent::Result<u64> {
    Ok(cents)
}

fn main() {}
