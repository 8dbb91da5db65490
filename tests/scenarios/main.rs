//! Scenarios on a real engine, one intent each: they check the state of the engine, not what topogen prints.
//!
//! Where no engine answers they are ignored and say so; with `TOPOGEN_REQUIRE_ENGINE=1` that is a failure instead.
//! They run on the engine that DOCKER_HOST names.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod browser;
mod cluster;
mod compose;
mod connect;
mod consul;
mod converge;
mod copy;
mod cuts;
mod documents;
mod double;
mod examples;
mod faults;
mod graph;
mod isolate;
mod killed;
mod lab;
mod names;
mod ownership;
mod page;
mod part;
mod real;
mod recipes;
mod replace;
mod restart;
mod run;
mod serve;
mod shapes;
mod translate;
mod usage;
mod verbs;
mod verify;

#[path = "../transcript.rs"]
mod transcript;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

/// What a scenario needs.
#[derive(Clone, Copy, PartialEq)]
enum Needs {
    Engine,
    /// `docker compose`, version 2, too.
    Compose,
    /// `docker-compose`, version 1, too.
    ComposeOne,
    /// A program that builds an image from packages too: `TOPOGEN_IMAGES` names it, it is called with the image's name and
    /// the packages.
    Images,
    /// And one that unpacks packages of another release: `TOPOGEN_PACKAGES`.
    Packages,
    /// `openssl` too.
    OpenSsl,
    /// What it takes to start an engine of its own.
    OwnEngine,
    /// Chromium too.
    Browser,
    /// `dig`, and the right to tell glibc of another resolver.
    Dig,
    /// `dig`, and Consul from packages of another release.
    Consul,
}

impl Needs {
    const ALL: [Self; 10] = [
        Self::Engine,
        Self::Compose,
        Self::ComposeOne,
        Self::Images,
        Self::Packages,
        Self::OpenSsl,
        Self::OwnEngine,
        Self::Browser,
        Self::Dig,
        Self::Consul,
    ];

    /// Why it is not to be had, where it is not.
    fn missing(self) -> Option<String> {
        let engine = || cluster::lacks(&["docker", "version"]);
        match self {
            Self::Engine => engine(),
            Self::Compose => engine().or_else(|| cluster::lacks(&["docker", "compose", "version"])),
            Self::ComposeOne => engine().or_else(|| cluster::lacks(&["docker-compose", "version"])),
            Self::OpenSsl => engine().or_else(|| cluster::lacks(&["openssl", "version"])),
            Self::Images => engine().or_else(real::lacks),
            Self::Packages => engine().or_else(real::lacks_packages),
            Self::OwnEngine => engine().or_else(restart::lacks),
            Self::Browser => engine().or_else(page::lacks),
            Self::Dig => engine().or_else(names::lacks),
            Self::Consul => engine().or_else(consul::lacks),
        }
    }
}

const SCENARIOS: &[(&str, Needs, fn())] = &[
    (
        "lab::ten_slaves_are_53_containers_and_12_networks",
        Needs::Engine,
        lab::ten_slaves,
    ),
    ("lab::each_name_leads_to_one_address", Needs::Engine, lab::names),
    ("lab::private_services_are_out_of_reach", Needs::Engine, lab::private),
    ("lab::scaling_keeps_what_stays", Needs::Engine, lab::scaling),
    ("lab::two_clusters_live_side_by_side", Needs::Engine, lab::two_clusters),
    (
        "lab::down_works_without_the_blueprint",
        Needs::Engine,
        lab::down_without_blueprint,
    ),
    (
        "lab::any_blueprint_runs_with_fakes",
        Needs::Engine,
        lab::fakes_of_a_blueprint,
    ),
    ("lab::two_compose_files_become_a_cluster", Needs::Engine, lab::two_files),
    ("lab::service_keys_reach_the_engine", Needs::Engine, lab::keys),
    ("lab::ps_lists_what_runs", Needs::Engine, lab::ps),
    (
        "lab::a_fake_is_small_and_stops_at_once",
        Needs::Engine,
        lab::fake_is_small,
    ),
    ("lab::a_fake_answers_udp_too", Needs::Engine, lab::fake_udp),
    ("double::the_engine_is_as_its_double", Needs::Engine, double::is_true),
    ("graph::live_says_how_the_cluster_stands", Needs::Engine, graph::live),
    ("page::shows_what_happens", Needs::Browser, page::shows_what_happens),
    (
        "page::what_containers_print_stays_text",
        Needs::Browser,
        page::logs_are_text,
    ),
    ("page::all_of_it_is_done_by_keyboard", Needs::Browser, page::keyboard),
    ("page::it_fits_a_phone", Needs::Browser, page::phone),
    ("page::it_says_since_when_it_is_stale", Needs::Browser, page::stale),
    (
        "cuts::a_node_is_cut_off_until_it_is_started_again",
        Needs::Engine,
        cuts::cut_and_started_again,
    ),
    ("cuts::sets_of_nodes_do_not_meet", Needs::Engine, cuts::partitioned),
    (
        "cuts::what_is_cut_is_told_or_refused",
        Needs::Engine,
        cuts::told_and_refused,
    ),
    ("documents::what_faults_shows", Needs::Engine, documents::faults),
    (
        "faults::what_is_foreign_survives_down",
        Needs::Engine,
        faults::foreign_survives,
    ),
    (
        "faults::a_network_with_guests_is_not_recreated",
        Needs::Engine,
        faults::guests,
    ),
    (
        "faults::a_changed_config_recreates_its_container",
        Needs::Engine,
        faults::configs,
    ),
    (
        "faults::a_config_is_written_through_no_mount",
        Needs::Engine,
        faults::configs_and_mounts,
    ),
    (
        "killed::at_any_moment_of_anything_up_converges",
        Needs::Engine,
        killed::any_moment,
    ),
    (
        "restart::an_engine_lost_in_the_middle_loses_nothing",
        Needs::OwnEngine,
        restart::in_the_middle,
    ),
    ("faults::an_interrupt_ends_in_order", Needs::Engine, faults::interrupted),
    (
        "faults::one_failure_stops_only_what_depends_on_it",
        Needs::Engine,
        faults::one_failure,
    ),
    (
        "documents::five_minutes_of_a_newcomer",
        Needs::Engine,
        documents::five_minutes,
    ),
    (
        "faults::what_is_being_stopped_is_started_again",
        Needs::Engine,
        faults::being_stopped,
    ),
    (
        "faults::what_was_changed_by_hand_is_mended",
        Needs::Engine,
        faults::mended,
    ),
    (
        "converge::a_dry_run_tells_and_does_nothing",
        Needs::Engine,
        converge::dry_run,
    ),
    (
        "ownership::what_images_carry_is_nobodys_claim",
        Needs::Engine,
        ownership::what_images_carry,
    ),
    (
        "replace::what_the_engine_refuses_takes_nothing_away",
        Needs::Engine,
        replace::refusals,
    ),
    ("converge::waiting_ends_in_time", Needs::Engine, converge::timeout),
    (
        "converge::slaves_start_after_a_healthy_master",
        Needs::Engine,
        converge::healthy_master_first,
    ),
    (
        "converge::what_was_to_end_is_not_started_again",
        Needs::Engine,
        converge::what_completed_stays_so,
    ),
    (
        "converge::what_fails_in_one_slave_of_ten_leaves_nine",
        Needs::Engine,
        converge::one_of_ten,
    ),
    (
        "converge::an_image_that_cannot_be_had_is_one_error",
        Needs::Engine,
        converge::no_image,
    ),
    ("converge::a_hostname_is_no_drift", Needs::Engine, converge::hostnames),
    (
        "converge::ports_pass_from_what_goes_to_what_comes",
        Needs::Engine,
        converge::ports_pass_on,
    ),
    (
        "converge::two_ups_at_once_end_in_one_cluster",
        Needs::Engine,
        converge::two_at_once,
    ),
    (
        "converge::thirty_clusters_come_up_side_by_side",
        Needs::Engine,
        converge::thirty_clusters,
    ),
    (
        "converge::volumes_outlive_their_containers",
        Needs::Engine,
        converge::volumes,
    ),
    (
        "converge::orphans_stay_until_they_are_to_go",
        Needs::Engine,
        converge::orphans,
    ),
    (
        "converge::another_blueprint_takes_nothing_over_by_accident",
        Needs::Engine,
        converge::other_blueprint,
    ),
    (
        "connect::a_socket_elsewhere_is_an_engine",
        Needs::Engine,
        connect::socket,
    ),
    ("connect::a_port_is_an_engine", Needs::Engine, connect::tcp),
    ("connect::contexts_count_as_for_docker", Needs::Engine, connect::context),
    ("connect::tls_knows_both_sides", Needs::OpenSsl, connect::tls),
    ("connect::ssh_leads_to_an_engine", Needs::Engine, connect::ssh),
    (
        "connect::an_interrupt_is_not_for_ssh",
        Needs::Engine,
        connect::interrupt,
    ),
    ("copy::there_and_back", Needs::Engine, copy::there_and_back),
    ("usage::what_eats_the_machine_is_found", Needs::Engine, usage::greedy),
    ("run::one_off_leaves_nothing", Needs::Engine, run::one_off),
    ("part::comes_up_and_goes_down_alone", Needs::Engine, part::alone),
    (
        "verbs::what_is_stopped_starts_again_as_it_was",
        Needs::Engine,
        verbs::stop_and_start,
    ),
    (
        "verbs::up_starts_what_was_stopped",
        Needs::Engine,
        verbs::up_starts_what_was_stopped,
    ),
    (
        "verbs::what_depends_stops_first_and_starts_last",
        Needs::Engine,
        verbs::order,
    ),
    ("verbs::pause_unpause_and_kill", Needs::Engine, verbs::signals),
    ("verbs::each_has_its_own_grace_period", Needs::Engine, verbs::grace),
    (
        "verbs::a_wrong_target_touches_nothing",
        Needs::Engine,
        verbs::wrong_targets,
    ),
    (
        "verbs::what_was_killed_starts_at_once",
        Needs::Engine,
        verbs::killed_and_started,
    ),
    (
        "verbs::one_that_cannot_start_keeps_no_other",
        Needs::Engine,
        verbs::part_failed,
    ),
    ("verbs::exec_on_many_ends_as_the_worst", Needs::Engine, verbs::exec),
    (
        "verbs::exec_forwards_input_and_its_end",
        Needs::Engine,
        verbs::exec_reads,
    ),
    (
        "verbs::exec_in_a_terminal_leaves_it_as_it_was",
        Needs::Engine,
        verbs::exec_in_a_terminal,
    ),
    ("verbs::logs_are_in_the_order_of_time", Needs::Engine, verbs::logs),
    (
        "verbs::logs_follow_what_starts_again",
        Needs::Engine,
        verbs::logs_follow,
    ),
    (
        "verbs::logs_follow_what_is_recreated_and_repeat_nothing",
        Needs::Engine,
        verbs::logs_follow_the_new_one,
    ),
    (
        "verbs::ps_shows_health_exit_codes_and_ports",
        Needs::Engine,
        verbs::ps_health,
    ),
    ("verbs::ps_watches", Needs::Engine, verbs::ps_watch),
    (
        "verify::a_right_cluster_has_nothing_to_tell",
        Needs::Engine,
        verify::right,
    ),
    ("verify::what_changed_since_is_reported", Needs::Engine, verify::changed),
    (
        "verify::a_fault_of_names_is_reported_once",
        Needs::Engine,
        verify::names,
    ),
    (
        "verify::a_fault_of_places_is_reported_once",
        Needs::Engine,
        verify::places,
    ),
    (
        "verify::a_fault_of_ports_is_reported_once",
        Needs::Engine,
        verify::ports,
    ),
    (
        "verify::a_way_between_nodes_is_reported_once",
        Needs::Images,
        verify::ways,
    ),
    (
        "verify::images_without_a_probe_are_asked_too",
        Needs::Images,
        verify::real_images,
    ),
    (
        "verify::what_compose_brought_up_is_proved",
        Needs::Compose,
        verify::of_compose,
    ),
    (
        "verify::the_leak_of_the_articles_files_is_found",
        Needs::Compose,
        verify::leak,
    ),
    ("compose::sees_what_up_made", Needs::Compose, compose::sees_up),
    (
        "translate::up_asks_for_what_compose_asks_for",
        Needs::Compose,
        translate::inspected,
    ),
    (
        "compose::brings_up_what_render_made",
        Needs::Compose,
        compose::brings_up_render,
    ),
    (
        "compose::brings_up_what_render_prints",
        Needs::Compose,
        compose::types_what_render_prints,
    ),
    (
        "compose::one_brings_up_what_render_made",
        Needs::ComposeOne,
        compose::one_brings_up_render,
    ),
    (
        "shapes::a_ring_reaches_its_neighbours_alone",
        Needs::Engine,
        shapes::ring,
    ),
    (
        "shapes::another_dimension_touches_nobody",
        Needs::Engine,
        shapes::dimensions,
    ),
    ("shapes::a_volume_is_the_clusters", Needs::Engine, shapes::volume),
    (
        "serve::tells_what_is_inspected",
        Needs::Engine,
        serve::tells_what_is_inspected,
    ),
    ("serve::tells_logs", Needs::Engine, serve::tells_logs),
    (
        "serve::survives_its_connection",
        Needs::Engine,
        serve::survives_its_connection,
    ),
    (
        "serve::waits_for_its_cluster",
        Needs::Engine,
        serve::waits_for_its_cluster,
    ),
    ("names::are_found", Needs::Dig, names::are_found),
    ("consul::follows_the_cluster", Needs::Consul, consul::follows),
    ("examples::addresses_with_fakes", Needs::Engine, || {
        examples::fakes("addresses")
    }),
    ("isolate::moosefs_three_times", Needs::Engine, || {
        isolate::three_times("moosefs", true)
    }),
    ("isolate::mailcow_three_times", Needs::Engine, || {
        isolate::three_times("mailcow", true)
    }),
    ("isolate::tidb_three_times", Needs::Engine, || {
        isolate::three_times("tidb", true)
    }),
    ("isolate::fabric_three_times", Needs::Engine, || {
        isolate::three_times("fabric", false)
    }),
    ("isolate::galera_three_times", Needs::Engine, || {
        isolate::three_times("galera", true)
    }),
    ("examples::article_with_fakes", Needs::Engine, || {
        examples::fakes("article")
    }),
    ("examples::consul_cluster_with_fakes", Needs::Engine, || {
        examples::fakes("consul-cluster")
    }),
    ("examples::etcd_with_fakes", Needs::Engine, || examples::fakes("etcd")),
    ("examples::jenkins_agents_with_fakes", Needs::Engine, || {
        examples::fakes("jenkins-agents")
    }),
    ("examples::kafka_kraft_with_fakes", Needs::Engine, || {
        examples::fakes("kafka-kraft")
    }),
    ("examples::locust_with_fakes", Needs::Engine, || {
        examples::fakes("locust")
    }),
    ("examples::nginx_balancer_with_fakes", Needs::Engine, || {
        examples::fakes("nginx-balancer")
    }),
    ("examples::leaf_spine_with_fakes", Needs::Engine, || {
        examples::fakes("leaf-spine")
    }),
    ("examples::mongo_shards_with_fakes", Needs::Engine, || {
        examples::fakes("mongo-shards")
    }),
    ("examples::router_line_with_fakes", Needs::Engine, || {
        examples::fakes("router-line")
    }),
    ("examples::router_mesh_with_fakes", Needs::Engine, || {
        examples::fakes("router-mesh")
    }),
    ("examples::router_ring_with_fakes", Needs::Engine, || {
        examples::fakes("router-ring")
    }),
    ("examples::router_tree_with_fakes", Needs::Engine, || {
        examples::fakes("router-tree")
    }),
    ("examples::postgres_replication_with_fakes", Needs::Engine, || {
        examples::fakes("postgres-replication")
    }),
    ("examples::prometheus_with_fakes", Needs::Engine, || {
        examples::fakes("prometheus")
    }),
    ("examples::redis_replication_with_fakes", Needs::Engine, || {
        examples::fakes("redis-replication")
    }),
    ("examples::selenium_grid_with_fakes", Needs::Engine, || {
        examples::fakes("selenium-grid")
    }),
    ("examples::spark_standalone_with_fakes", Needs::Engine, || {
        examples::fakes("spark-standalone")
    }),
    ("examples::voting_app_with_fakes", Needs::Engine, || {
        examples::fakes("voting-app")
    }),
    ("examples::redis_counts_its_replicas", Needs::Images, examples::redis),
    (
        "examples::prometheus_hears_of_each_node",
        Needs::Images,
        examples::prometheus,
    ),
    (
        "examples::addresses_lead_to_each_nginx",
        Needs::Images,
        examples::addresses,
    ),
    ("examples::nginx_spreads_requests", Needs::Images, examples::nginx),
    (
        "examples::postgres_streams_to_standbys",
        Needs::Images,
        examples::postgres,
    ),
    ("examples::consul_knows_each_service", Needs::Packages, examples::consul),
    (
        "examples::compose_reads_each",
        Needs::Compose,
        examples::compose_reads_each,
    ),
    (
        "recipes::bring_up_prove_test_and_take_down",
        Needs::Engine,
        recipes::run,
    ),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each scenario keeps the engine busy by itself.
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let missing = Needs::ALL.map(|needs| (needs, needs.missing()));
    let required = std::env::var("TOPOGEN_REQUIRE_ENGINE").is_ok_and(|v| v == "1");
    if missing[0].1.is_none() {
        cluster::remove_leftovers();
    }
    let trials = SCENARIOS.iter().map(|(name, needs, scenario)| {
        let reason = missing.iter().find(|(n, _)| n == needs).and_then(|(_, m)| m.clone());
        let scenario = *scenario;
        match reason {
            None => Trial::test(*name, move || run(scenario)),
            Some(reason) if required => Trial::test(*name, move || Err(Failed::from(reason))),
            Some(reason) => Trial::test(*name, || Ok(())).with_kind(reason).with_ignored_flag(true),
        }
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn run(scenario: fn()) -> Result<(), Failed> {
    let once = || {
        std::panic::catch_unwind(scenario).map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|t| (*t).to_owned()));
            text.unwrap_or_else(|| "panicked".to_owned())
        })
    };
    let result = match once() {
        // Rendered files say their subnets, drawn from the cluster's name, and Compose takes no others: now and then they
        // are those of another cluster that is up. Another name has others.
        Err(text) if text.contains("Pool overlaps") => once(),
        // A fault of engines up to 24, of their own making: moby#42119.
        Err(text) if text.contains("the engine has lost count") => once(),
        other => other,
    };
    result.map_err(Failed::from)
}
