#[stent::durable]
async fn nothing(cents: u64) {
    drop(cents);
}

#[stent::durable]
async fn plain(cents: u64) -> u64 {
    cents
}

fn main() {}
