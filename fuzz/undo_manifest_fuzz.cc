// The manifest of an undo, as anybody may have written it: whatever it says, nothing outside of the store and
// the directory of originals changes.
#include <cstdint>
#include <span>
#include <string>

#include "fuzz/fuzz_check.h"
#include "libstore/recovery/undo.h"
#include "libstore/testing/simulated_file_system.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string directory = "/store/lost+found/1";
  const std::string outside = "not the store's";
  const auto as_bytes = [](const std::string& text) { return std::as_bytes(std::span(text)); };
  rmq::testing::SimulatedFileSystem files(1);
  files.put("/outside", as_bytes(outside));
  files.put("/store/commitlog/0", std::vector<std::byte>(100));
  files.put(directory + "/before.ndjson", as_bytes(""));
  files.put(directory + "/saved@0", as_bytes("saved"));
  files.put(directory + "/manifest.ndjson", std::as_bytes(std::span(data, size)));
  (void)rmq::recovery::read_undo(files, directory);
  (void)rmq::recovery::undo(files, directory);
  const auto there = rmq::io::read_all(files, "/outside", 1000);
  FUZZ_CHECK(there && there->size() == outside.size());
  return 0;
}
