//! The ring Z[X]/(X^N + 1) modulo a chain of primes, and which of them a polynomial has.

use crate::embedding::Embedding;
use crate::error::Result;
use crate::modulus::Modulus;
use crate::ntt::NttTable;
use crate::pool::Pool;
use crate::simd::Backend;
use std::sync::Arc;

/// Which primes a polynomial's limbs belong to: the first `q` of the chain, then the first `p` special ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Basis {
    pub q: usize,
    pub p: usize,
}

impl Basis {
    pub(crate) fn len(self) -> usize {
        self.q + self.p
    }
}

/// Everything that all polynomials of one parameter set share.
pub(crate) struct Ring {
    pub log_n: u32,
    pub backend: Backend,
    /// Tables of the chain's primes, then of the special ones; a prime's place here is its id.
    tables: Vec<NttTable>,
    chain: usize,
    pub embedding: Embedding,
    pub pool: Arc<Pool>,
}

impl Ring {
    pub(crate) fn new(log_n: u32, chain: &[Modulus], special: &[Modulus], backend: Backend) -> Result<Self> {
        let all: Vec<Modulus> = chain.iter().chain(special).copied().collect();
        let tables = crate::par::map(all.len(), |i| all.get(i).map(|m| NttTable::new(*m, log_n)));
        Ok(Self {
            log_n,
            backend,
            tables: tables.into_iter().flatten().collect::<Result<_>>()?,
            chain: chain.len(),
            embedding: Embedding::new(log_n),
            pool: Arc::default(),
        })
    }

    /// The ring degree N.
    pub(crate) fn n(&self) -> usize {
        1 << self.log_n
    }

    /// The id of limb `i` of a polynomial with that basis.
    pub(crate) fn id(&self, basis: Basis, i: usize) -> usize {
        if i < basis.q { i } else { self.chain + i - basis.q }
    }

    #[allow(clippy::indexing_slicing, reason = "ids come from `id`, of a basis within the chain")]
    pub(crate) fn table(&self, id: usize) -> &NttTable {
        &self.tables[id]
    }

    pub(crate) fn modulus(&self, id: usize) -> &Modulus {
        &self.table(id).modulus
    }

    /// Number of primes, special ones included.
    pub(crate) fn primes(&self) -> usize {
        self.tables.len()
    }

    /// Primes of the chain.
    pub(crate) fn chain(&self) -> usize {
        self.chain
    }
}

/// Tables and pool are left out: they are long, and polynomials print their ring.
impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").field("log_n", &self.log_n).field("primes", &self.primes()).finish_non_exhaustive()
    }
}
