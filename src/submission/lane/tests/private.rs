//! Where a product's bytes go that keeps them to itself.

use ballast_chains::pool::{Privacy, Route};

use super::bench::{Bench, action, ripcord};

async fn private(public_after: Option<u64>) -> Bench {
    let mut bench = Bench::new().await;
    bench.lane.privacy = Privacy::Private { public_after };
    bench
}

fn routes(bench: &Bench) -> Vec<Route> {
    bench.sim.world().routes.clone()
}

#[tokio::test]
async fn bytes_go_public_after_so_many_blocks_counted_from_the_first_attempt() {
    let mut bench = private(Some(7)).await;
    bench.pursue(action(1)).await;
    // A replacement comes after five blocks: it does not start the count anew.
    let replaced = bench.pass(6).await.iter().any(|event| event.step() == "replaced");
    assert!(replaced, "the count was to survive a replacement");
    assert_eq!(routes(&bench), [Route::Private; 7]);
    bench.pass(2).await;
    assert_eq!(routes(&bench)[7..], [Route::Everywhere; 2]);
    bench.sim.mine_pool();
    bench.observe().await;
    bench.pursue(action(2)).await;
    assert_eq!(routes(&bench).last(), Some(&Route::Private), "the next nonce counts for itself");
}

#[tokio::test]
async fn without_a_number_nothing_ever_goes_public() {
    let mut bench = private(None).await;
    bench.pursue(action(1)).await;
    bench.pass(40).await;
    let routes = routes(&bench);
    assert!(routes.len() >= 40 && routes.iter().all(|route| *route == Route::Private));
}

#[tokio::test]
async fn a_restart_sends_nothing_before_a_head_tells_how_long_it_waited() {
    let mut bench = private(Some(3)).await;
    bench.pursue(action(1)).await;
    bench.pass(1).await;
    bench.sim.mine_empty();
    bench.restart().await;
    bench.lane.privacy = Privacy::Private { public_after: Some(3) };
    assert_eq!(routes(&bench), [Route::Private; 2], "nothing without a head");
    bench.observe().await;
    assert_eq!(routes(&bench), [Route::Private; 3]);
    bench.pass(1).await;
    assert_eq!(routes(&bench).last(), Some(&Route::Everywhere));
}

#[tokio::test]
async fn what_takes_over_a_nonce_has_its_own_time_in_private() {
    let mut bench = private(Some(3)).await;
    bench.pursue(action(1)).await;
    bench.pass(2).await;
    bench.sim.mine_empty();
    bench.pursue(ripcord(2)).await;
    assert_eq!(routes(&bench), [Route::Private; 4], "the ripcord is as new as the head");
    bench.pass(3).await;
    assert_eq!(routes(&bench).last(), Some(&Route::Everywhere));
}
