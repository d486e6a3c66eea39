// SPDX-License-Identifier: Apache-2.0
#include "common/random.h"

#include <bit>
#include <random>

namespace common {
namespace {

// SplitMix64, the seeding that xoshiro's authors recommend.
std::uint64_t SplitMix(std::uint64_t& x) {
  x += 0x9e3779b97f4a7c15U;
  std::uint64_t z = x;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

}  // namespace

FastRandom::FastRandom() {
  std::random_device device;
  for (auto& word : state_) {
    word = (static_cast<std::uint64_t>(device()) << 32) | device();
  }
  state_[0] |= 1;  // The all-zero state is the one xoshiro cannot leave.
}

FastRandom::FastRandom(std::uint64_t seed) {
  for (auto& word : state_) {
    word = SplitMix(seed);
  }
}

std::uint64_t FastRandom::Next() {
  const std::uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
  const std::uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

}  // namespace common
