mod books;
mod rows;
mod sim;
