"""Rules that differentiate recurrent networks online, against back-propagation and by their means."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rekalman
from rekalman.filters.learning.derivatives import as_kinds, step_derivatives
from rekalman.filters.learning.local_rules import RFLO, SyntheticGradient
from rekalman.filters.learning.random_rules import KFRTRL, UORO
from rekalman.filters.learning.snap import RTRL, SnAp
from rekalman.filters.learning.truncated import TBPTT
from rekalman.filters.learning.weights import weights_of, with_weights
from rekalman.networks.predictors.recurrent import RecurrentPredictor

KINDS = (rekalman.Elman, rekalman.GRU, rekalman.LSTM)
STEPS, UNITS = 12, 5


def network(kind, density=1.0):
    made = RecurrentPredictor.create(
        kind, 2, units=UNITS, inputs=1, direct=True, key=jax.random.key(0)
    )
    made = jax.tree.map(lambda leaf: leaf.astype(float), made)
    there = np.random.default_rng(5).random(made.layer.across.shape) < density
    return eqx.tree_at(lambda each: each.layer.across, made, made.layer.across * there)


def rows():
    return jnp.asarray(np.random.default_rng(0).normal(size=(STEPS, 3)))


def cotangent(made):
    shape = (1 + made.layer.has_memory, UNITS)
    return jnp.asarray(np.random.default_rng(1).normal(size=shape))


def run(made, rule, key=None):
    """What the rule remembers after all rows."""
    memory = rule.start(made, jax.random.key(0) if key is None else key)

    def step(carry, row):
        state, memory = carry
        state, derivatives = step_derivatives(made, weights_of(made), state, row)
        return (state, rule.after(memory, derivatives)), None

    return jax.lax.scan(step, (made.start(), memory), rows())[0]


def back_propagated(made, first=0):
    """The derivative of the last state times the cotangent, the state before row `first` being fixed."""
    weights = weights_of(made)
    state = made.start()
    for row in rows()[:first]:
        state = made.advance(state, row[:2], row[2:])

    def last(units):
        moved = with_weights(made, eqx.tree_at(lambda each: each.units, weights, units))
        x = state
        for row in rows()[first:]:
            x = moved.advance(x, row[:2], row[2:])
        return (as_kinds(made, x) * cotangent(made)).sum()

    return np.asarray(jax.grad(last)(weights.units))


@pytest.mark.parametrize("kind", KINDS)
def test_exact_rules_give_the_gradient_of_back_propagation(kind):
    with jax.enable_x64(True):
        made = network(kind)
        wanted = back_propagated(made)
        for rule in (RTRL(), SnAp(2), SnAp(9), TBPTT(STEPS)):
            rule = rule.suited(made)
            memory = run(made, rule)[1]
            np.testing.assert_allclose(
                rule.gradient(memory, cotangent(made)), wanted, rtol=1e-10, atol=1e-10
            )


@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_window_is_the_gradient_from_a_fixed_state(kind):
    with jax.enable_x64(True):
        made = network(kind)
        memory = run(made, TBPTT(4))[1]
        np.testing.assert_allclose(
            TBPTT(4).gradient(memory, cotangent(made)),
            back_propagated(made, STEPS - 4),
            rtol=1e-10,
            atol=1e-12,
        )


def test_losses_of_several_steps_go_back_together():
    with jax.enable_x64(True):
        made, rule = network(rekalman.GRU), TBPTT(STEPS, 3)
        memory, state = rule.start(made, jax.random.key(0)), made.start()
        shape = (STEPS, 1, UNITS)
        losses = jnp.asarray(np.random.default_rng(2).normal(size=shape))
        for row, loss in zip(rows(), losses, strict=True):
            state, derivatives = step_derivatives(made, weights_of(made), state, row)
            memory = rule.seen(rule.after(memory, derivatives), loss)
        weights = weights_of(made)

        def total(units):
            moved = with_weights(made, eqx.tree_at(lambda each: each.units, weights, units))
            x, value = made.start(), 0.0
            for t, row in enumerate(rows()):
                x = moved.advance(x, row[:2], row[2:])
                if t >= STEPS - 3:
                    value += (as_kinds(made, x) * losses[t]).sum()
            return value

        np.testing.assert_allclose(
            rule.gradient(memory, losses[-1]), jax.grad(total)(weights.units), rtol=1e-9, atol=1e-11
        )


@pytest.mark.parametrize("kind", KINDS)
def test_snap_keeps_the_entries_within_reach_of_sparse_weights(kind):
    with jax.enable_x64(True):
        made = network(kind, density=0.3)
        n, gates = UNITS, made.layer.gates
        feeds = (np.asarray(made.layer.across).reshape(n, gates, n) != 0).any(1)
        for reach in (1, 2, 3):
            # The same recursion on the whole influence matrix, of which what is out of reach is cut off.
            kept = np.eye(n, dtype=bool)
            for _ in range(reach - 1):
                kept = kept | (kept @ feeds)
            whole, state = RTRL().start(made, jax.random.key(0)), made.start()
            for row in rows():
                state, derivatives = step_derivatives(made, weights_of(made), state, row)
                whole = RTRL().after(whole, derivatives) * kept.T[None, :, None, None, :]
            rule = SnAp(reach).suited(made)
            memory = run(made, rule)[1]
            np.testing.assert_allclose(
                rule.gradient(memory, cotangent(made)),
                RTRL().gradient(whole, cotangent(made)),
                rtol=1e-10,
                atol=1e-12,
            )
            assert memory.shape[1] == kept.sum(1).max()


@pytest.mark.parametrize(
    ("kind", "rule"),
    [(rekalman.Elman, UORO()), (rekalman.Elman, KFRTRL()), (rekalman.GRU, UORO())],
)
def test_random_rules_are_right_on_average(kind, rule):
    with jax.enable_x64(True):
        made = network(kind)
        wanted, count = back_propagated(made), 10_000
        one = lambda key: rule.gradient(run(made, rule, key)[1], cotangent(made))  # noqa: E731
        each = np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(3), count)))
        error = each.std(0) / np.sqrt(count)
        off = np.abs(each.mean(0) - wanted) / np.maximum(error, 1e-12)
        # Three standard errors for almost all of them, and no more than chance allows for any.
        assert (off > 3).mean() < 0.02 and off.max() < 4.5
        assert error.max() > 0  # they are random indeed


def test_rflo_leaks_where_the_exact_rule_has_the_jacobian():
    with jax.enable_x64(True):
        made = network(rekalman.Elman)
        rule, state, trace = RFLO(4.0), made.start(), 0.0
        for row in rows():
            state, derivatives = step_derivatives(made, weights_of(made), state, row)
            trace = 0.75 * trace + np.asarray(derivatives.immediate[0])
        wanted = np.asarray(cotangent(made))[0] * trace
        memory = run(made, rule)[1]
        np.testing.assert_allclose(rule.gradient(memory, cotangent(made)), wanted, rtol=1e-12)


def test_a_decoupled_interface_learns_what_later_losses_say():
    """With a loss of the same derivative at every step its map has the fixed point c = J'(q + c)."""
    with jax.enable_x64(True):
        made, rule = network(rekalman.Elman), SyntheticGradient(0.5)
        q, row = 0.1 * cotangent(made), rows()[0]
        memory, state = rule.start(made, jax.random.key(0)), made.start()

        def step(carry, _):
            state, memory = carry
            state, derivatives = step_derivatives(made, weights_of(made), state, row)
            return (state, rule.seen(rule.after(memory, derivatives), q)), None

        state, memory = jax.lax.scan(step, (state, memory), None, length=4000)[0]
        J = jax.jacobian(lambda x: made.advance(x, row[:2], row[2:])[:UNITS])(state)[:, :UNITS]
        wanted = np.linalg.solve(np.eye(UNITS) - J.T, J.T @ q[0])
        features = np.append(np.asarray(state)[:UNITS], 1.0)
        np.testing.assert_allclose(memory.map @ features, wanted, rtol=1e-6, atol=1e-8)


def test_rules_refuse_what_they_cannot_have():
    made = network(rekalman.GRU)
    for rule in (KFRTRL(), RFLO()):
        with pytest.raises(rekalman.RekalError, match="defined for elman units, not for GRU"):
            rule.check(made)
    with pytest.raises(rekalman.RekalError, match="every=9 steps cannot go back"):
        TBPTT(5, 9)
    with pytest.raises(rekalman.RekalError, match="reach must be at least 1"):
        SnAp(0)
    with pytest.raises(rekalman.RekalError, match="memory_steps must be at least 1"):
        RFLO(0.5)
    with pytest.raises(rekalman.RekalError, match="needs the network that it is for"):
        SnAp(2).start(made, jax.random.key(0))
