"""Draw the accuracy of all trials of this project into one picture and keep it as this task's artifact."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from clearq import Task


def newest_attempt(epochs, values):
    """What was reported since the epochs last began anew: a killed trial has reported twice."""
    start = max((i for i in range(1, len(epochs)) if epochs[i] <= epochs[i - 1]), default=0)
    return epochs[start:], values[start:]


def main():
    task = Task.init("digits", "report")
    trials = sorted(Task.get_tasks(project_name="digits", tags=["sweep"]), key=lambda each: each.name)
    figure, axes = plt.subplots(figsize=(8, 4.5), dpi=120, layout="constrained")
    for trial in trials:
        curve = trial.get_reported_scalars().get("accuracy", {}).get("test")
        if not curve:
            continue
        epochs, values = newest_attempt(curve["x"], curve["y"])
        lr = trial.get_parameters()["Args/lr"]
        label = f"{trial.name}: lr {lr}" + ("" if trial.status == "completed" else f" ({trial.status})")
        axes.plot(epochs, values, label=label, linewidth=1.5)
        print(f"{label}: {len(epochs)} epochs, accuracy {values[-1]:.4f}")
    axes.set(title="Handwritten digits: accuracy of all trials", xlabel="epoch", ylabel="accuracy", ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize="small")
    figure.savefig("accuracy.png")
    task.upload_artifact("accuracy of all trials", "accuracy.png")


if __name__ == "__main__":
    main()
