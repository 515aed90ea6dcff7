struct Shop;

impl Shop {
    #[stent::durable]
    async fn charge(&self, cents: u64) -> stent::Result<u64> {
        Ok(cents)
    }
}

fn main() {}
