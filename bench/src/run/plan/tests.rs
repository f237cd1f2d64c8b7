use clap::Parser;

use super::*;

#[derive(Parser)]
struct Test {
    #[command(flatten)]
    run: RunArgs,
}

fn settings(text: &str) -> Settings {
    let args = std::iter::once("run").chain(text.split_whitespace());
    let args = Test::try_parse_from(args).unwrap().run;
    Settings::new(&args).unwrap().with_points(&args, true)
}

fn names(settings: &Settings) -> Vec<String> {
    let name = |point: &Point| format!("{}<{}@{}", point.kind.name(), point.load.name(), point.peers);
    settings.points.iter().map(name).collect()
}

#[test]
fn the_default_run_covers_six_peer_counts_and_four_rates_below_the_ceiling() {
    let settings = settings("--messengers simple,async");
    assert_eq!(settings.scenario.as_deref(), Some("default"));
    assert_eq!(settings.points.len(), 3 * 6 + 3 + 3 * 4);
    assert_eq!((settings.duration, settings.rounds), (Duration::from_millis(250), 12));
}

#[test]
fn ceilings_are_found_before_anything_that_is_a_share_of_them() {
    let settings = settings("--messengers async --workload under-load --peers 16 --share 50,90");
    let [first, second] = settings.phases();
    let names = |tasks: &[Task]| {
        let mut names: Vec<String> =
            tasks.iter().map(|task| format!("{:?}", settings.points[task.point].pace)).collect();
        names.sort();
        names.dedup();
        names
    };
    assert_eq!(names(&first), ["AsAnswered"]);
    assert_eq!(names(&second), ["Share { percent: 50, ceiling: 0 }", "Share { percent: 90, ceiling: 0 }"]);
}

#[test]
fn a_neighbour_is_measured_against_its_absence_and_not_at_the_floor() {
    let settings = settings("--messengers async --scenario noisy-neighbour");
    let points = settings.points.iter().map(|point| (point.kind.name(), point.beside.is_some()));
    assert_eq!(points.collect::<Vec<_>>(), [("async", true), ("async", false), ("tcp", false)]);
}

#[test]
fn one_peer_has_the_same_messenger_on_both_sides() {
    assert_eq!(
        names(&settings("--messengers simple --peers 1,4")),
        ["simple<simple@1", "tcp<tcp@1", "simple<async@4", "tcp<tcp@4"]
    );
}

#[test]
fn the_stream_of_the_floor_has_one_peer() {
    assert_eq!(
        names(&settings("--messengers async --peers 1,4 --workload stream")),
        ["async<async@1", "tcp<tcp@1", "async<async@4"]
    );
}

#[test]
fn rdma_is_loaded_by_rdma_and_stands_beside_bare_verbs_where_they_do_the_same() {
    assert_eq!(
        names(&settings("--messengers async,rdma --peers 1,4")),
        ["async<async@1", "rdma<rdma@1", "tcp<tcp@1", "async<async@4", "rdma<rdma@4", "tcp<tcp@4"]
    );
    assert_eq!(
        names(&settings("--messengers rdma --peers 1,4 --reply 4KiB")),
        ["rdma<rdma@1", "verbs<verbs@1", "tcp<tcp@1", "rdma<rdma@4", "tcp<tcp@4"]
    );
    assert_eq!(names(&settings("--messengers async --peers 1 --reply 4KiB")), ["async<async@1", "tcp<tcp@1"]);
}

#[test]
fn the_floor_is_measured_once_whoever_names_it() {
    assert_eq!(names(&settings("--messengers tcp,tcp --peers 1,1")), ["tcp<tcp@1"]);
}

#[test]
fn what_is_given_beats_what_quick_and_the_scenario_mean() {
    let quick = settings("--quick --duration 1s");
    assert_eq!((quick.duration, quick.warmup), (Duration::from_secs(1), QUICK.1));
    assert_eq!(settings("--scenario mixed").duration, Duration::from_secs(1));
    assert_eq!(settings("--scenario mixed --rounds 2").rounds, 2);
    assert_eq!(settings("--scenario mixed --quick").rounds, QUICK.2);
}

#[test]
fn the_same_seed_gives_the_same_order() {
    let points: Vec<usize> = (0..18).collect();
    assert_eq!(schedule(&points, 3, 7), schedule(&points, 3, 7));
    assert_ne!(schedule(&points, 3, 7), schedule(&points, 3, 8));
}

#[test]
fn each_round_takes_each_point_once_in_its_own_order() {
    let all: Vec<usize> = (0..18).collect();
    let tasks = schedule(&all, 2, 7);
    let order = |round| tasks.iter().filter(move |task| task.round == round).map(|task| task.point);
    for round in 0..2 {
        let mut points: Vec<_> = order(round).collect();
        points.sort_unstable();
        assert_eq!(points, all);
    }
    assert!(!order(0).eq(order(1)));
}
