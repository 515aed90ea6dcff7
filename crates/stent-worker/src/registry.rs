//! Which functions a worker has, and what they need. All that can be wrong with them is found before the worker starts.

use std::{
    any::TypeId,
    collections::{BTreeMap, HashMap},
    fmt,
};

use stent_client::{FunctionDefinition, SharedState};
use stent_core::FunctionName;

use crate::WorkerError;

/// The functions and states of a worker.
#[derive(Default)]
pub(crate) struct Registry {
    functions: BTreeMap<FunctionName, &'static FunctionDefinition>,
    states: HashMap<TypeId, SharedState>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("functions", &self.functions.keys())
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// Checks that no two functions share a name and that every state is there.
    pub(crate) fn new(
        definitions: Vec<&'static FunctionDefinition>,
        states: HashMap<TypeId, SharedState>,
    ) -> Result<Self, WorkerError> {
        let mut functions = BTreeMap::new();
        for definition in definitions {
            for state in &definition.states {
                if !states.contains_key(&state.type_id) {
                    return Err(WorkerError::MissingState {
                        function: definition.name.clone(),
                        state: state.type_name,
                    });
                }
            }
            let name = definition.name.clone();
            if functions.insert(name.clone(), definition).is_some() {
                return Err(WorkerError::DuplicateFunction { function: name });
            }
        }
        if functions.is_empty() {
            return Err(WorkerError::NoFunctions);
        }
        Ok(Self { functions, states })
    }

    pub(crate) fn get(&self, name: &FunctionName) -> Option<&'static FunctionDefinition> {
        self.functions.get(name).copied()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &'static FunctionDefinition> {
        self.functions.values().copied()
    }

    pub(crate) fn state(&self, type_id: TypeId) -> Option<SharedState> {
        self.states.get(&type_id).cloned()
    }
}
