struct Point {
    x: i32,
    y: i32,
}

#[stent::durable]
async fn reference(name: &str) -> stent::Result<()> {
    Ok(())
}

#[stent::durable]
async fn opaque(name: impl Into<String>) -> stent::Result<()> {
    Ok(())
}

#[stent::durable]
async fn pattern(Point { x, y }: Point, (a, b): (u8, u8), _: u8) -> stent::Result<()> {
    Ok(())
}

#[stent::durable]
async fn many(
    a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8, j: u8, k: u8, l: u8, m: u8,
) -> stent::Result<()> {
    Ok(())
}

fn main() {}
