mod books;
mod chores;
mod damage;
mod rows;
mod sim;
mod trouble;
mod world;
