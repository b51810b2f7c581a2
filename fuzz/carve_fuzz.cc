// A byte of chunk size, then bytes to search: how the search is cut up changes nothing, what is found are
// records, and none of them is lost while logs are made of them.
#include <cstdint>
#include <span>
#include <tuple>
#include <vector>

#include "fuzz/fuzz_check.h"
#include "libstore/carve/judge.h"
#include "libstore/carve/layout.h"
#include "libstore/carve/record_reader.h"
#include "libstore/testing/memory_file_system.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rmq::carve;
  if (size < 1) return 0;
  const auto bytes = std::as_bytes(std::span(data, size));
  rmq::testing::MemoryFileSystem files;
  files.files["/f"].bytes.assign(bytes.begin() + 1, bytes.end());
  const std::vector<Source> sources{{"/f", "f", static_cast<std::int64_t>(size) - 1}};
  const auto found = find_records(files, sources, {});
  FindOptions options;
  options.chunk = 1 + data[0];
  const auto pieces = find_records(files, sources, options);
  FUZZ_CHECK(found && pieces && found->records == pieces->records &&
             found->runs.size() == pieces->runs.size());
  std::int64_t records = 0;
  std::int64_t end = 0;
  for (std::size_t i = 0; i < found->runs.size(); ++i) {
    const Run& run = found->runs[i];
    const Run& other = pieces->runs[i];
    FUZZ_CHECK(std::tie(run.position, run.length, run.log_offset, run.records) ==
               std::tie(other.position, other.length, other.log_offset, other.records));
    FUZZ_CHECK(run.position >= end && run.end() <= sources[0].size);
    end = run.end();
    RecordReader reader(files, sources, run);
    for (auto there = reader.next(); *there; there = reader.next()) {
      FUZZ_CHECK(is_found(reader.message(), reader.bytes()));
      ++records;
    }
  }
  FUZZ_CHECK(records == found->records);
  const auto judgement = judge(files, sources, *found, {});
  FUZZ_CHECK(judgement);
  records -= judgement->duplicates;
  for (const Log& log : judgement->logs) {
    records -= log.records;
    FUZZ_CHECK(summarize(files, sources, log, 1, {}).has_value());
    if (!log.one_store) continue;
    for (std::size_t i = 1; i < log.pieces.size(); ++i)
      FUZZ_CHECK(log.pieces[i - 1].log_end() <= log.pieces[i].log_offset);
    if (const auto file = choose_file_size(sources, log, {})) FUZZ_CHECK(fits(log, file->bytes));
  }
  FUZZ_CHECK(records == 0);
  return 0;
}
