//! Uploads of all kinds, one after the other, while something happens to the workers or to what they stand on.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;

use crate::client::{Person, Said};
use crate::cluster::Cluster;
use crate::support::{File, MIB};

/// How a person sends files. Those of more than 1 MiB go by MTProto, and of more than 10 MiB as big ones, which are sent
/// while they arrive.
#[derive(Debug, Clone, Copy)]
enum Way {
    Chunked {
        bytes: usize,
        chunk: usize,
    },
    Direct {
        bytes: usize,
    },
    /// The same, repeated with its key until there is an answer.
    Repeated {
        bytes: usize,
    },
}

const WAYS: [Way; 8] = [
    Way::Chunked { bytes: 12 * MIB, chunk: 4 * MIB },
    Way::Chunked { bytes: 11 * MIB, chunk: 2 * MIB },
    Way::Chunked { bytes: 3 * MIB, chunk: MIB },
    Way::Chunked { bytes: 700_000, chunk: 256 * 1024 },
    Way::Direct { bytes: 300_000 },
    Way::Direct { bytes: 2 * MIB },
    Way::Repeated { bytes: 300_000 },
    Way::Repeated { bytes: 2 * MIB },
];

/// What a person knows of a file.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Known {
    /// It is in the channel.
    There,
    /// It is, as the person saw; the service does not know.
    Seen,
    /// It was refused.
    Refused,
    /// There was no answer, or one that says so.
    Nothing,
}

struct Sent {
    name: String,
    known: Known,
}

/// People, each with a way of sending.
pub(crate) struct Traffic<'a>(Vec<(Person<'a>, Way)>);

impl<'a> Traffic<'a> {
    pub(crate) fn of(cluster: &'a Cluster) -> Self {
        let person = |(at, way)| (Person::new(cluster, cluster.user(&format!("person-{at}"))), way);
        Self(WAYS.into_iter().enumerate().map(person).collect())
    }

    /// How often a worker told somebody to come again.
    pub(crate) fn refused(&self) -> usize {
        self.0.iter().map(|(person, _)| person.refused.load(Ordering::Relaxed)).sum()
    }

    /// Has files sent until `happens` is over, and sees all of them to their end: each is in its channel once, the backend
    /// was told of each by one event, and what was refused is not there. Says how many there were, and of how many nobody
    /// told the end.
    pub(crate) async fn goes_on_while(&self, happens: impl Future<Output = ()>) -> (usize, usize) {
        let over = AtomicBool::new(false);
        let sending = join_all(self.0.iter().map(|(person, way)| keeps_sending(person, *way, &over)));
        let happening = async {
            happens.await;
            over.store(true, Ordering::Relaxed);
        };
        let (sent, ()) = tokio::join!(sending, happening);
        for ((person, _), sent) in self.0.iter().zip(&sent) {
            check(person, sent).await;
        }
        let sent = || sent.iter().flatten();
        (sent().count(), sent().filter(|sent| sent.known == Known::Nothing).count())
    }
}

async fn keeps_sending(person: &Person<'_>, way: Way, over: &AtomicBool) -> Vec<Sent> {
    let mut sent = Vec::new();
    // Each has at least one file that begins when all is well, and one that ends then.
    while !over.load(Ordering::Relaxed) || sent.len() < 2 {
        let name = format!("{}-{}.bin", person.user.name, sent.len());
        let known = match way {
            Way::Chunked { bytes, chunk } => {
                let file = File::in_chunks(bytes + sent.len(), &[chunk]).named(&name);
                let known = if person.sends(&file).await { Known::There } else { Known::Seen };
                person.cluster.arrived(&person.user, &file);
                known
            }
            Way::Direct { bytes } | Way::Repeated { bytes } => {
                let file = File::new(bytes + sent.len()).named(&name);
                let said = match way {
                    Way::Repeated { .. } => person.repeats(&file).await,
                    _ => person.sends_directly(&file).await,
                };
                match said {
                    Said::Answer(200, _) => {
                        person.cluster.arrived(&person.user, &file);
                        Known::There
                    }
                    Said::Answer(status, body) => panic!("{name}: {status} {body}"),
                    Said::ComeAgain => {
                        Person::pause().await;
                        Known::Refused
                    }
                    Said::Nothing | Said::Away | Said::LookThere => {
                        Person::pause().await;
                        Known::Nothing
                    }
                }
            }
        };
        sent.push(Sent { name, known });
    }
    sent
}

/// Looks at it once more, when all is over.
async fn check(person: &Person<'_>, sent: &[Sent]) {
    let told = person.cluster.told().await;
    for Sent { name, known } in sent {
        let messages = person.messages(name);
        let right = match known {
            Known::There | Known::Seen => messages == 1,
            Known::Refused => messages == 0,
            Known::Nothing => messages <= 1,
        };
        assert!(right, "{name}: {known:?}, and {messages} messages");
    }
    for Sent { name, .. } in sent.iter().filter(|sent| sent.known == Known::There) {
        assert!(told.contains(name), "the backend was not told of {name}");
    }
}
