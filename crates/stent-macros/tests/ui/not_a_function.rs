#[stent::durable]
struct Charge;

fn main() {}
