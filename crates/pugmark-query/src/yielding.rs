//! Joins that let others have their turn.
//!
//! The engine's scans give way to other tasks after a number of batches, but
//! a join makes many batches out of few: with a filter above it that lets
//! nothing pass, it would hold its thread until it is done, and neither a time
//! limit nor Ctrl-C would be heard.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;

/// `plan`, with every operator that multiplies rows giving way.
pub(crate) fn yielding(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let wrapped = plan.transform_up(|node| {
        Ok(if node.name().contains("Join") || node.name() == "UnnestExec" {
            Transformed::yes(Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>)
        } else {
            Transformed::no(node)
        })
    });
    Ok(wrapped?.data)
}
