"""One study for each published experiment: run it and print ours beside theirs."""

from rekalman.studies.base import Study

STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        Study(
            name="em-rnn-synthetic",
            summary="the noisy oscillation of the EM paper (section 4.1), complete and with gaps",
            module="rekalman.studies.em_rnn_synthetic",
            default_seeds=20,
        ),
        Study(
            name="particles",
            summary="how many particles and hidden units the noisy oscillation needs (section 4.3)",
            module="rekalman.studies.particle_counts",
            default_seeds=3,
        ),
        Study(
            name="breathing",
            summary="chest markers of nine people, forecast up to 2.1 s ahead (section 4.2)",
            module="rekalman.studies.breathing",
            needs_data=True,
        ),
        Study(
            name="lds-recovery",
            summary="known linear systems recovered by EM and maximum likelihood, with their intervals",
            module="rekalman.studies.lds_recovery",
            default_seeds=8,
        ),
        Study(
            name="rnn-or-kalman",
            summary="recurrent networks against exact filters, and the dynamics read off them",
            module="rekalman.studies.rnn_or_kalman.study",
            default_seeds=10,
        ),
        Study(
            name="kalman-floors",
            summary="what Kalman filters and smoothers reach on the systems of KalmanNet and RTSNet",
            module="rekalman.studies.kalman_floors",
            needs_data=True,
        ),
        Study(
            name="system-identification",
            summary="coupled drives and cascaded tanks, simulated freely beside published models",
            module="rekalman.studies.system_identification",
            needs_data=True,
            default_seeds=5,
        ),
        Study(
            name="small-driven",
            summary="small driven systems, simulated freely beside ARX and linear simulation models",
            module="rekalman.studies.small_driven",
            needs_data=True,
            default_seeds=10,
        ),
        Study(
            name="reservoirs",
            summary="echo state networks and nonlinear autoregressions on chaotic and noisy series",
            module="rekalman.studies.reservoirs",
            default_seeds=10,
        ),
        Study(
            name="records",
            summary="default methods on breathing, gas, CO2 and a robot arm beside naive forecasts",
            module="rekalman.studies.records",
            needs_data=True,
            has_reduced=True,
        ),
        Study(
            name="compare",
            summary="what rekalman.fit chooses beside AutoARIMA, AutoETS and others on 18 real series",
            module="rekalman.studies.compare",
            needs_data=True,
            has_reduced=True,
            takes_known=True,
        ),
        Study(
            name="online-learning",
            summary="recurrent networks learned in one pass by online rules and Kalman filters",
            module="rekalman.studies.online.learning",
            needs_data=True,
            default_seeds=10,
        ),
        Study(
            name="evolino",
            summary="evolved networks on sums of sines, a^n b^n c^n and Mackey-Glass, beside ESN and GRU",
            module="rekalman.studies.evolino",
            default_seeds=10,
        ),
        Study(
            name="pendulum",
            summary="the angle of a pendulum from noisy frames: RKN, LSTM, GRU and Elman",
            module="rekalman.studies.films.pendulum",
            takes_known=True,
            default_seeds=3,
        ),
        Study(
            name="three-pendulums",
            summary="the angles of three pendulums that hide each other, from noisy colour frames",
            module="rekalman.studies.films.three_pendulums",
            has_reduced=True,
            takes_known=True,
            default_seeds=3,
        ),
        Study(
            name="quad-link",
            summary="the angles of a pendulum of four links from clean and from noisy frames",
            module="rekalman.studies.films.quad_link",
            takes_known=True,
            default_seeds=3,
        ),
        Study(
            name="irregular-pendulum",
            summary="the same from frames at irregular times, by the protocol of CRU and S5",
            module="rekalman.studies.films.irregular_pendulum",
            takes_known=True,
            default_seeds=3,
        ),
        Study(
            name="imputation",
            summary="hidden frames of a pendulum filled in, informed of what is hidden or not",
            module="rekalman.studies.films.imputation",
            takes_known=True,
            default_seeds=3,
        ),
        Study(
            name="pneumatic-arm",
            summary="a robot arm forecast up to 0.1 s ahead with its actions: networks and a linear model",
            module="rekalman.studies.pneumatic_arm",
            needs_data=True,
            takes_known=True,
            default_seeds=3,
        ),
    )
}
"""Every study by its name."""
