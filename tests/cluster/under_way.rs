//! Files that are being sent when something happens.

use telestore_sandbox::{Fault, FaultId};

use crate::client::Person;
use crate::cluster::Cluster;
use crate::support::{File, soon};

/// A file that is being sent, and where it is held.
pub(crate) struct UnderWay<'a> {
    pub(crate) person: Person<'a>,
    pub(crate) file: File,
    hold: FaultId,
}

impl<'a> UnderWay<'a> {
    /// The first of these workers takes it in, the second one is told that it is complete, and one sends it until `hold`
    /// strikes.
    pub(crate) async fn new(
        cluster: &'a Cluster,
        [taken_by, completed_by]: [usize; 2],
        name: &str,
        bytes: usize,
        hold: Fault,
    ) -> Self {
        let person = Person::new(cluster, cluster.user(name));
        // In one chunk, so that nothing of it is sent before it is complete.
        let file = File::in_chunks(bytes, &[bytes]).named(&format!("{name}.bin"));
        let hold = cluster.sandbox.faults().inject(hold.user(&person.user.user_id));
        cluster.chunks(taken_by, &person.user, &file).await;
        cluster.complete(completed_by, &person.user, &file.id).await;
        soon(name, cluster.sandbox.faults().wait_fired(hold, 1)).await;
        Self { person, file, hold }
    }

    pub(crate) fn goes_on(&self) {
        self.person.cluster.sandbox.faults().release(self.hold);
    }

    /// It is in the channel once, by the attempt that was under way.
    pub(crate) async fn has_gone_on(&self) {
        assert!(self.person.sees_to_it(&self.file).await);
        let cluster = self.person.cluster;
        cluster.arrived(&self.person.user, &self.file);
        let attempt = format!("SELECT attempt::BIGINT FROM uploads WHERE id = '{}'", self.file.id);
        assert_eq!(cluster.number(&attempt).await, 1, "attempts of {}", self.file.name);
    }
}
