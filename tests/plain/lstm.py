"""The LSTM layer one time step, one sequence, one gate at a time: slow, and obviously the equations."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lstm_forward(W, U, b, x, h, c):
    """x [T, B, D], h and c [B, H]; returns hidden [T, B, H] and what the backward pass needs."""
    T, B, _ = x.shape
    H = U.shape[1]
    hidden, steps = np.zeros((T, B, H), W.dtype), []
    for t in range(T):
        cells = np.zeros((B, H), W.dtype)
        step = []
        for n in range(B):
            z = W @ x[t, n] + U @ h[n] + b
            i, f, o = sigmoid(z[:H]), sigmoid(z[H : 2 * H]), sigmoid(z[2 * H : 3 * H])
            g = np.tanh(z[3 * H :])
            cells[n] = f * c[n] + i * g
            hidden[t, n] = o * np.tanh(cells[n])
            step.append((i, f, o, g, c[n], cells[n], h[n]))
        h, c = hidden[t], cells
        steps.append(step)
    return hidden, steps


def lstm_backward(W, U, x, steps, d_hidden, threshold):
    """d_hidden [T, B, H]; keep |dG| > threshold. Returns dG [T, B, 4H], dx, dW, dU, db."""
    T, B, H = d_hidden.shape
    dG, dx = np.zeros((T, B, 4 * H), W.dtype), np.zeros_like(x)
    dW, dU, db = np.zeros_like(W), np.zeros_like(U), np.zeros(4 * H, W.dtype)
    for n in range(B):
        dh_later, dc_later = np.zeros(H, W.dtype), np.zeros(H, W.dtype)
        for t in reversed(range(T)):
            i, f, o, g, c_before, c, h_before = steps[t][n]
            dh = d_hidden[t, n] + dh_later
            dc = dc_later + dh * o * (1 - np.tanh(c) ** 2)
            for k in range(H):
                gate = [
                    dc[k] * g[k] * i[k] * (1 - i[k]),
                    dc[k] * c_before[k] * f[k] * (1 - f[k]),
                    dh[k] * np.tanh(c[k]) * o[k] * (1 - o[k]),
                    dc[k] * i[k] * (1 - g[k] ** 2),
                ]
                for position, value in enumerate(gate):
                    dG[t, n, position * H + k] = value if abs(value) > threshold else 0
            dh_later = U.T @ dG[t, n]
            dc_later = dc * f
            dx[t, n] = W.T @ dG[t, n]
            dW += np.outer(dG[t, n], x[t, n])
            dU += np.outer(dG[t, n], h_before)
            db += dG[t, n]
    return dG, dx, dW, dU, db
