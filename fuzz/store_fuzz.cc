// A tiny store in memory: for each file a byte that names it, its length, the zeros behind it (u16 both), its
// bytes. Verify at its most thorough level and the forecasts end, and do not contradict themselves.
#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "fuzz/fuzz_check.h"
#include "libstore/bytes/big_endian.h"
#include "libstore/forensics/verify.h"
#include "libstore/preflight/preflight.h"
#include "libstore/testing/memory_file_system.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rmq;
  constexpr std::array<const char*, 12> kNames{"/s/commitlog/00000000000000000000",
                                               "/s/commitlog/00000000000000004096",
                                               "/s/consumequeue/T/0/00000000000000000000",
                                               "/s/consumequeue/T/0/00000000000000000320",
                                               "/s/consumequeue/T/1/00000000000000000000",
                                               "/s/batchconsumequeue/B/0/00000000000000000000",
                                               "/s/consumequeue_ext/T/0/00000000000000000000",
                                               "/s/index/20260101000000000",
                                               "/s/checkpoint",
                                               "/s/abort",
                                               "/s/config/topics.json",
                                               "/s/config/consumerOffset.json"};
  constexpr std::size_t kHead = 5;
  testing::MemoryFileSystem files;
  for (auto rest = std::as_bytes(std::span(data, size)); rest.size() >= kHead;) {
    testing::MemoryFile& file = files.files[kNames[static_cast<std::size_t>(rest[0]) % kNames.size()]];
    const std::size_t length =
        std::min<std::size_t>(load_be<std::uint16_t>(rest.data() + 1), rest.size() - kHead);
    const std::size_t zeros = load_be<std::uint16_t>(rest.data() + 3);
    file.bytes.assign(rest.begin() + kHead, rest.begin() + static_cast<std::ptrdiff_t>(kHead + length));
    file.bytes.resize(length + zeros);
    rest = rest.subspan(kHead + length);
  }
  scan::StoreConfig config;
  config.root = "/s";
  const auto survey = scan::survey_store(files, config);
  if (!survey) return 0;
  forensics::VerifyOptions options;
  options.level = forensics::VerifyLevel::paranoid;
  const auto summary = forensics::run_verify(files, *survey, options, [](const forensics::Finding& finding) {
    FUZZ_CHECK(finding.offset >= 0 && finding.length >= 0);
  });
  FUZZ_CHECK(summary.bytes_checked <= summary.bytes_expected);
  FUZZ_CHECK(summary.clean ==
             (summary.worst == forensics::Severity::benign && !summary.unclean_stop && !summary.read_errors));
  for (const auto version : {preflight::StockVersion::v4_9, preflight::StockVersion::v5_3}) {
    const auto forecast =
        preflight::run_preflight(files, *survey, {version, survey->abort.has_value(), {}, {}, true});
    FUZZ_CHECK(!forecast || forecast->messages_lost >= 0);
  }
  return 0;
}
