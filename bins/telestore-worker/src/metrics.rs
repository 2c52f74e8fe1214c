use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;
use telestore::Telestore;
use telestore_http::MetricsPage;

use crate::config::Config;

/// From what a small file takes to what a large one takes on a slow line.
const TRANSFERS: [f64; 14] =
    [0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14_400.0];

/// For everything that is over within seconds.
const CALLS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// How often samples are taken out of the recorder, which keeps each of them until then.
const TIDY_EVERY: Duration = Duration::from_secs(5);

/// Makes this process measure. To be called before anything that is measured is made; again, it changes nothing.
pub(crate) fn install() -> PrometheusHandle {
    static INSTALLED: OnceLock<PrometheusHandle> = OnceLock::new();
    INSTALLED.get_or_init(measure).clone()
}

fn measure() -> PrometheusHandle {
    let builder = PrometheusBuilder::new();
    // Only an empty list of buckets is refused.
    let transfers = ["telestore_upload_duration_seconds", "telestore_delivery_duration_seconds"];
    let builder = transfers.into_iter().fold(builder, |builder, name| {
        builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), &TRANSFERS).expect("there are buckets")
    });
    let suffix = Matcher::Suffix("_duration_seconds".to_owned());
    let builder = builder.set_buckets_for_metric(suffix, &CALLS).expect("there are buckets");
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::warn!("something else in this process measures already: /metrics stays empty");
    }
    telestore::describe_metrics();
    telestore_http::describe_metrics();
    metrics::describe_gauge!("telestore_build_info", "Always 1; its label says the version");
    metrics::gauge!("telestore_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    handle
}

/// What `GET /metrics` shows of `engine` and this process. Needs a tokio runtime.
pub(crate) fn page(handle: PrometheusHandle, engine: &Telestore, config: &Config) -> MetricsPage {
    let (process, engine) = (Collector::default(), engine.clone());
    process.describe();
    tokio::spawn(tidy(handle.clone()));
    let page = MetricsPage::new(move || {
        let (handle, process, engine) = (handle.clone(), process.clone(), engine.clone());
        async move {
            engine.refresh_metrics().await;
            process.collect();
            handle.render()
        }
    });
    match &config.settings.watch.metrics_token {
        Some(token) => page.guarded_by(token.clone()),
        // If it is an address it changes nothing.
        None => page.known_by(&config.settings.server.host),
    }
}

/// Without a reader, samples would pile up.
async fn tidy(handle: PrometheusHandle) {
    let mut ticks = tokio::time::interval(TIDY_EVERY);
    loop {
        ticks.tick().await;
        handle.run_upkeep();
    }
}
