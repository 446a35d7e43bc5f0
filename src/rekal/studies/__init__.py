"""One study for each published experiment: run it and print ours beside theirs."""

from rekal.studies.base import Study

STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        Study(
            name="breathing",
            summary="chest markers of nine people, forecast up to 2.1 s ahead (section 4.2)",
            module="rekal.studies.breathing",
            needs_data=True,
        ),
    )
}
"""Every study by its name."""
