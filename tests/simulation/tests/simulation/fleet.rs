//! Crowds of requests at many instances.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use terrace_simulation::executor::Task;
use terrace_simulation::{Answer, Instance, World};

/// The answers of a crowd, in the order in which they came.
pub type Answers = Rc<RefCell<Vec<Answer>>>;

/// Begins a request whose answer comes among these.
pub fn begin<const FREE: bool>(
    world: &World,
    instance: &Instance<FREE>,
    request: impl Future<Output = Answer> + 'static,
    answers: &Answers,
) -> Task {
    let answers = answers.clone();
    world.executor.spawn(instance.number, async move {
        let answer = request.await;
        answers.borrow_mut().push(answer);
    })
}

/// So many GETs at once, shared out to these instances.
pub fn crowd<const FREE: bool>(world: &World, instances: &[Instance<FREE>], target: &str, n: usize) -> Answers {
    let answers = Answers::default();
    for instance in instances.iter().cycle().take(n) {
        begin(world, instance, instance.get(target), &answers);
    }
    answers
}

/// The time that so many of a hundred answers came in, in milliseconds.
pub fn percentile(answers: &Answers, of_100: usize) -> u64 {
    let mut took: Vec<u64> = answers.borrow().iter().map(Answer::took).collect();
    took.sort_unstable();
    took[(took.len() * of_100).div_ceil(100) - 1]
}
