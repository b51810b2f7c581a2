// A small store on a simulated disk, written by the engine, and kinds of damage to it: for tests that cut off
// what mends them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "libstore/engine/message_store.h"
#include "libstore/testing/simulated_file_system.h"

namespace rmq::recovery {

using rmq::testing::SimulatedFileSystem;

inline constexpr std::int64_t kLogFile = 8 << 10;
inline constexpr int kMessages = 60;

// Of the store, at /store.
[[nodiscard]] engine::StoreOptions options();

struct Message {
  std::int32_t queue_id = 0;
  std::int64_t queue_offset = 0;
  std::int64_t log_offset = 0;
  std::int32_t size = 0;
};

// A store of a few small files, closed cleanly.
[[nodiscard]] std::vector<Message> fill(SimulatedFileSystem& files);

struct Scene {
  const char* name;
  // Damages the store, and says which of its messages are gone for good.
  std::function<std::vector<std::size_t>(SimulatedFileSystem&, const std::vector<Message>&)> damage;
};
[[nodiscard]] const std::vector<Scene>& scenes();

// Everything whole is where it was, once, and nothing else is but placeholders.
void check(SimulatedFileSystem& files, const std::vector<Message>& messages,
           const std::vector<std::size_t>& gone);

}  // namespace rmq::recovery
