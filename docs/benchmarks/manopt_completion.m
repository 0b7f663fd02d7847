% manopt_completion(folder, problem, result, runs): completion by Manopt's conjugate gradients.
%
% The file `problem` holds rows, cols (from 1, sorted by columns) and values of the entries, the
% size, the start u, s, v and a tolerance of the residual, relative to the values. What `result`
% gets: the least time of some runs, the iterations, the residual in the end, and versions. The search
% along a line begins at its exact minimum, and a point is sampled once, as its store keeps the residual.
function manopt_completion(folder, problem, result, runs)
    addpath(folder, genpath(fullfile(folder, 'manopt')));
    data = load(problem);
    rows = double(data.rows(:)); cols = double(data.cols(:)); values = data.values(:);
    enough = (data.tolerance * norm(values))^2 / 2;
    start = struct('U', data.u, 'S', diag(data.s(:)), 'V', data.v);

    completion.M = fixedrankembeddedfactory(size(data.u, 1), size(data.v, 1), numel(data.s));
    completion.cost = @cost;
    completion.egrad = @egrad;
    completion.linesearch = @exact_start;
    options = struct('verbosity', 0, 'maxiter', 2000, 'tolgradnorm', 0, 'minstepsize', 0, ...
                     'tolcost', enough, 'storedepth', 3);

    taken = Inf;
    for run = 1:runs
        began = tic;
        [~, final, info] = conjugategradient(completion, start, options);
        taken = min(taken, toc(began));
    end
    iterations = info(end).iter;
    residual = sqrt(2 * final) / norm(values);
    software = sprintf('Manopt %s, GNU Octave %s', sprintf('%d.%d', manopt_version()(1:2)), version());
    save('-v7', result, 'software', 'taken', 'iterations', 'residual');

    function x = sampled(left, right)
        % The gathered columns of some entries at a time stay in the cache.
        left = left.'; right = right.';
        x = zeros(numel(rows), 1);
        for first = 1:16384:numel(rows)
            here = first:min(first + 16383, numel(rows));
            x(here) = sum(left(:, rows(here)) .* right(:, cols(here)), 1);
        end
    end

    function store = prepared(X, store)
        if ~isfield(store, 'residual')
            store.residual = sampled(X.U * X.S, X.V) - values;
        end
    end

    function [f, store] = cost(X, store)
        store = prepared(X, store);
        f = store.residual' * store.residual / 2;
    end

    function [G, store] = egrad(X, store)
        store = prepared(X, store);
        G = sparse(rows, cols, store.residual, size(X.U, 1), size(X.V, 1));
    end

    function [t, store] = exact_start(X, Z, store)
        store = prepared(X, store);
        along = sampled([X.U * Z.M + Z.Up, X.U], [X.V, Z.Vp]);
        t = -(store.residual' * along) / (along' * along);
    end
end
