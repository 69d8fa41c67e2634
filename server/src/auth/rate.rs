//! How often one address may ask for a token: a bucket that fills evenly, kept as one instant per address (the generic
//! cell rate algorithm). Shared by all shards and asked rarely. Reads no clock.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use switchboard_protocol::model::limits::RATE_ADDRESSES_MAX;

/// A limit of requests a minute for each address. A burst of a minute's worth is allowed.
#[derive(Debug)]
pub struct AddressRate {
    per_minute: u64,
    /// When an address's bucket is full again, in microseconds.
    full_at: Mutex<HashMap<IpAddr, u64>>,
}

const MINUTE_US: u64 = 60_000_000;

impl AddressRate {
    /// At least 1 a minute.
    pub fn new(per_minute: u64) -> Self {
        Self { per_minute: per_minute.max(1), full_at: Mutex::default() }
    }

    /// Takes one request of an address; `Err` with the seconds after which it may try again.
    pub fn take(&self, address: IpAddr, now_ms: u64) -> Result<(), u64> {
        let (now_us, each_us) = (now_ms.saturating_mul(1000), MINUTE_US / self.per_minute);
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if full_at.len() >= RATE_ADDRESSES_MAX {
            full_at.retain(|_, at| *at > now_us);
            if full_at.len() > RATE_ADDRESSES_MAX / 2 {
                // More addresses than anybody's customers have: all are let off, so that it is not looked through again
                // before it has filled by half.
                full_at.clear();
            }
        }
        let at = full_at.entry(of_host(address)).or_insert(now_us);
        let next = (*at).max(now_us) + each_us;
        if next > now_us + MINUTE_US {
            return Err((next - now_us - MINUTE_US).div_ceil(1_000_000).max(1));
        }
        *at = next;
        Ok(())
    }
}

/// One host may have all of an IPv6 /64.
fn of_host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minutes_worth_at_once_and_then_evenly() {
        let rate = AddressRate::new(3);
        let address = IpAddr::from([192, 0, 2, 1]);
        assert_eq!([0, 0, 0].map(|now| rate.take(address, now)), [Ok(()); 3]);
        assert_eq!(rate.take(address, 0), Err(20));
        assert_eq!(rate.take(address, 19_000), Err(1));
        assert_eq!(rate.take(address, 20_000), Ok(()));
        assert_eq!(rate.take(address, 20_000), Err(20));
        assert_eq!(rate.take(IpAddr::from([192, 0, 2, 2]), 0), Ok(()), "another address");
        assert_eq!([200_000; 3].map(|now| rate.take(address, now)), [Ok(()); 3]);
    }

    #[test]
    fn the_table_has_a_maximum_whatever_the_addresses_owe() {
        let rate = AddressRate::new(1);
        for number in 0..70_000_u32 {
            assert_eq!(rate.take(IpAddr::from(number.to_be_bytes()), 0), Ok(()));
            let counted = rate.full_at.lock().unwrap().len();
            assert!(counted <= RATE_ADDRESSES_MAX, "{counted} after {number}");
        }
        assert_eq!(rate.take(IpAddr::from(69_999_u32.to_be_bytes()), 0), Err(60), "the newest are still counted");
    }

    #[test]
    fn a_host_is_one_address() {
        let rate = AddressRate::new(1);
        let addresses = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "::ffff:192.0.2.1", "192.0.2.1"];
        let taken = addresses.map(|address| rate.take(address.parse().unwrap(), 0).is_ok());
        assert_eq!(taken, [true, false, true, true, false]);
    }
}
