struct Order {
    id: u64,
}

#[derive(serde::Serialize)]
struct Receipt {
    id: u64,
}

#[stent::durable]
async fn charge(order: Order) -> stent::Result<Receipt> {
    Ok(Receipt { id: order.id })
}

fn main() {}
