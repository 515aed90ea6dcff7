#[stent::durable]
async fn charge<T: serde::Serialize>(order: T) -> stent::Result<()> {
    Ok(())
}

#[stent::durable]
async fn lifetime<'a>(order: &'a str) -> stent::Result<()> {
    Ok(())
}

#[stent::durable]
async fn clause(order: String) -> stent::Result<()>
where
    String: Clone,
{
    Ok(())
}

fn main() {}
