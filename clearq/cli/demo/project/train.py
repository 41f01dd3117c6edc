"""Train a small neural network on the handwritten digits that ship inside scikit-learn.

Plain training code plus four lines of clearq: `Task.init`, `report_scalar`, `report_single_value`,
`upload_artifact`. It runs by hand too: python train.py --lr 0.01 --seconds 3
"""

import argparse
import os
import time

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from clearq import Task


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lr", type=float, default=0.003, help="learning rate")
    parser.add_argument("--hidden", type=int, default=32, help="neurons of the hidden layer")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long to train")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--flaky", action="store_true", help="break down at the first attempt")
    return parser.parse_args()


def augmented(images, labels):
    """The images and the same ones moved by one pixel in each direction: five times the data."""
    square = images.reshape(-1, 8, 8)
    moved = [square] + [np.roll(square, step, axis) for step in (1, -1) for axis in (1, 2)]
    return np.concatenate(moved).reshape(-1, 64), np.tile(labels, 5)


def main():
    task = Task.init("digits", "train")
    args = arguments()
    attempt = os.environ.get("CLEARQ_MARKER", ".1").rpartition(".")[2]
    if args.flaky and attempt == "1":
        raise ConnectionError("the data server did not answer (this trial breaks down at its first attempt)")

    images, labels = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        images / 16.0, labels, test_size=0.25, random_state=0, stratify=labels
    )
    train_x, train_y = augmented(train_x, train_y)
    model = MLPClassifier((args.hidden,), learning_rate_init=args.lr, random_state=args.seed)
    random = np.random.default_rng(args.seed)
    logger = task.get_logger()
    classes = np.arange(10)

    epoch, end = 0, time.monotonic() + args.seconds
    while epoch == 0 or time.monotonic() < end:
        epoch += 1
        for batch in np.array_split(random.permutation(len(train_x)), 40):
            model.partial_fit(train_x[batch], train_y[batch], classes=classes)
        accuracy = model.score(test_x, test_y)
        logger.report_scalar("loss", "train", value=model.loss_, iteration=epoch)
        logger.report_scalar("accuracy", "test", value=accuracy, iteration=epoch)
        print(f"epoch {epoch}: loss {model.loss_:.4f}, accuracy {accuracy:.4f}", flush=True)

    logger.report_single_value("accuracy", accuracy)
    confusion = confusion_matrix(test_y, model.predict(test_x))
    task.upload_artifact("confusion matrix", {"rows are the true digits": confusion.tolist()})
    print(f"done after {epoch} epochs: accuracy {accuracy:.4f}")


if __name__ == "__main__":
    main()
