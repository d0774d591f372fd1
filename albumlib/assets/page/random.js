// torch.rand(count, generator=torch.Generator().manual_seed(seed)) on the CPU, for float32:
// MT19937 (Matsumoto and Nishimura 1998), of whose numbers the lower 24 bits are taken.
function torchRand(seed, count) {
  const N = 624, M = 397, state = new Uint32Array(N);
  state[0] = seed % 2 ** 32;
  for (let i = 1; i < N; i++)
    state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
  const twist = () => {
    for (let i = 0; i < N; i++) {
      const y = (state[i] & 0x80000000) | (state[(i + 1) % N] & 0x7fffffff);
      state[i] = state[(i + M) % N] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
  };
  return Float32Array.from({ length: count }, (_, i) => {
    if (i % N === 0) twist();
    let y = state[i % N];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    y ^= y >>> 18;
    return (y & 0xffffff) / 2 ** 24;
  });
}
