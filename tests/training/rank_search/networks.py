"""Networks that are formulas, for trackers to decide on."""

SLACK = 0.01


class Networks:
    """Stands in for networks in training: at rank k the error decays towards `floors[k]`.

    Giving up a direction raises the error by a jump; training takes it away again.
    """

    def __init__(self, floors, rank, start=1.0, pace=0.3, jump=0.3):
        self.floors, self.pace, self.jump = floors, pace, jump
        self.rank, self.now = rank, start

    def floor(self, k):
        return self.floors[min(k, len(self.floors)) - 1]

    def error_at(self, k):
        assert k <= self.rank
        return self.now if k == self.rank else max(self.now, self.floor(k)) + self.jump

    def train(self, rank):
        if rank < self.rank:
            self.now = max(self.now, self.floor(rank)) + self.jump
        self.rank = rank
        self.now += self.pace * (self.floor(rank) - self.now)

    def run(self, tracker, readings):
        ranks = []
        for _ in range(readings):
            self.train(tracker.rank)
            ranks.append(tracker.update(self.error_at, SLACK))
        return ranks
