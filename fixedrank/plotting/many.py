def plot_many(*a):
    raise NotImplementedError
