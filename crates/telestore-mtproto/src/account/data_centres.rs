//! The data centres where an account has an authorisation key, and in which of them it is. It begins in the one that its
//! session string names, and Telegram may send it to another.

use std::fmt;
use std::net::SocketAddr;

use sha2::{Digest, Sha256};

use crate::session::Session;

/// How many data centres are remembered. Telegram has five.
const KEPT_MAX: usize = 8;

/// A data centre, and the key that the account has there.
#[derive(Clone)]
pub(crate) struct DataCentre {
    pub(crate) dc_id: i32,
    /// Whether it is one of the test servers.
    pub(crate) test: bool,
    pub(crate) address: SocketAddr,
    pub(crate) auth_key: [u8; 256],
}

impl fmt::Debug for DataCentre {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataCentre")
            .field("dc_id", &self.dc_id)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl DataCentre {
    /// A name for the key that says nothing about it.
    fn fingerprint(&self) -> String {
        hex::encode(&Sha256::digest(self.auth_key)[..8])
    }
}

/// Where an account is at one moment.
#[derive(Debug, Clone)]
pub struct Location {
    pub(crate) data_centre: DataCentre,
    pub(crate) migrations: u32,
}

impl Location {
    /// The number of the data centre.
    pub fn dc_id(&self) -> i32 {
        self.data_centre.dc_id
    }

    /// How often the account had migrated until then. What is kept at a data centre, such as the parts of a file, can be
    /// used as long as this number stays the same; see [`Account::call_at`](crate::Account::call_at).
    pub fn migrations(&self) -> u32 {
        self.migrations
    }

    /// A name for the account at this data centre that says nothing about its key: 16 hexadecimal digits. It is the same
    /// after a restart if the key is.
    pub fn fingerprint(&self) -> String {
        self.data_centre.fingerprint()
    }
}

/// The data centres where an account has a key. The first one is the session's.
#[derive(Debug)]
pub(crate) struct DataCentres {
    known: Vec<DataCentre>,
    current: usize,
    migrations: u32,
}

impl DataCentres {
    /// `relay` is where sessions connect to whose string names no address.
    pub(crate) fn new(session: &Session, relay: Option<SocketAddr>) -> Self {
        let relay = relay.filter(|_| !session.names_address);
        let of_session = DataCentre {
            dc_id: i32::from(session.dc_id),
            test: session.test,
            address: relay.unwrap_or(session.address),
            auth_key: session.auth_key,
        };
        Self { known: vec![of_session], current: 0, migrations: 0 }
    }

    pub(crate) fn here(&self) -> Location {
        Location { data_centre: self.known[self.current].clone(), migrations: self.migrations }
    }

    /// Goes to a data centre where the account has a key already; says whether there is one.
    pub(crate) fn go_back_to(&mut self, dc: i32) -> bool {
        let known = self.known.iter().position(|known| known.dc_id == dc);
        if let Some(index) = known {
            self.current = index;
            self.migrations += 1;
        }
        known.is_some()
    }

    /// Goes to a data centre that is new. If there are many, the one that is known the longest is
    /// forgotten, but never the session's.
    pub(crate) fn enter(&mut self, new: DataCentre) {
        if self.known.len() >= KEPT_MAX {
            self.known.remove(1);
        }
        self.known.push(new);
        self.current = self.known.len() - 1;
        self.migrations += 1;
    }

    /// Forgets a data centre whose key is dead, if the account is still there, and goes back to the session's, so that the
    /// next attempt finds its way from there. The session's own key stays, dead or not.
    pub(crate) fn drop_key(&mut self, migrations: u32) {
        if self.migrations == migrations && self.current != 0 {
            self.known.remove(self.current);
            self.current = 0;
            self.migrations += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data_centres() -> DataCentres {
        let address = "127.0.0.1:1".parse().unwrap();
        DataCentres::new(&Session::for_tests(2, address), None)
    }

    fn at(data_centres: &DataCentres) -> (i32, u32) {
        let here = data_centres.here();
        (here.dc_id(), here.migrations)
    }

    #[test]
    fn remembers_its_places_and_names_each_of_them() {
        let mut data_centres = data_centres();
        let first = data_centres.here().fingerprint();
        let address = "127.0.0.1:2".parse().unwrap();
        assert!(!data_centres.go_back_to(4));
        data_centres.enter(DataCentre { dc_id: 4, test: false, address, auth_key: [2; 256] });
        assert_eq!(at(&data_centres), (4, 1));
        assert_ne!(data_centres.here().fingerprint(), first);
        assert!(data_centres.go_back_to(2) && data_centres.go_back_to(4) && data_centres.go_back_to(2));
        assert_eq!((at(&data_centres), data_centres.here().fingerprint()), ((2, 4), first));
    }

    #[test]
    fn an_account_that_is_sent_around_for_ever_remembers_a_few_places() {
        let mut data_centres = data_centres();
        for dc_id in 10..100 {
            data_centres.enter(DataCentre {
                dc_id,
                test: false,
                address: "127.0.0.1:2".parse().unwrap(),
                auth_key: [2; 256],
            });
            assert_eq!(data_centres.here().dc_id(), dc_id);
        }
        assert_eq!(data_centres.known.len(), KEPT_MAX);
        assert!(data_centres.go_back_to(98) && data_centres.go_back_to(2) && !data_centres.go_back_to(10));
    }

    #[test]
    fn a_place_whose_key_is_dead_is_forgotten() {
        let mut data_centres = data_centres();
        data_centres.drop_key(0);
        assert_eq!(at(&data_centres), (2, 0), "the session's own place stays");
        data_centres.enter(DataCentre {
            dc_id: 4,
            test: false,
            address: "127.0.0.1:2".parse().unwrap(),
            auth_key: [2; 256],
        });
        data_centres.drop_key(0);
        assert_eq!(at(&data_centres), (4, 1), "an error from before the move says nothing of this place");
        data_centres.drop_key(1);
        assert_eq!((at(&data_centres), data_centres.go_back_to(4)), ((2, 2), false));
    }

    #[test]
    fn debug_hides_the_keys() {
        let text = format!("{:?} {:?}", data_centres(), data_centres().here());
        assert!(!text.contains("auth_key") && !text.contains("1, 1"), "{text}");
    }
}
