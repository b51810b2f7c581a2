// A reference store in memory, damaged in one place, and judged: for the checks of the store's smaller parts.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/bytes/big_endian.h"
#include "libstore/forensics/verify.h"
#include "libstore/testing/memory_file_system.h"
#include "tests/scan/oracle_store.h"

namespace rmq::forensics {

inline void PrintTo(const Finding& finding, std::ostream* out) {
  *out << finding.code << ' ' << to_string(finding.severity) << ' ' << finding.file << " [" << finding.offset
       << ", +" << finding.length << ") " << finding.message;
}

struct Judgement {
  VerifySummary summary;
  std::vector<Finding> findings;

  // Findings whose code begins so.
  [[nodiscard]] std::vector<Finding> of(std::string_view family) const {
    std::vector<Finding> some;
    for (const Finding& finding : findings) {
      if (finding.code.starts_with(family)) some.push_back(finding);
    }
    return some;
  }
};

class PartStore {
 public:
  explicit PartStore(std::string_view name) {
    const testing::OracleStore oracle(testing::oracle_stores() / name, testing::unpacked_oracle_stores());
    root_ = oracle.root().string();
    files.load(root_);
    for (auto& [path, file] : files.files) {  // what is allocated ahead costs time and says nothing
      const auto used =
          std::find_if(file.bytes.rbegin(), file.bytes.rend(), [](std::byte b) { return b != std::byte{0}; });
      constexpr std::ptrdiff_t kKept = 1 << 20;
      const std::ptrdiff_t unused = used - file.bytes.rbegin() - kKept;
      if (unused <= 0) continue;
      file.hole = unused;
      file.bytes.resize(file.bytes.size() - static_cast<std::size_t>(unused));
    }
  }

  [[nodiscard]] std::string path(std::string_view shown) const { return root_ + '/' + std::string(shown); }
  [[nodiscard]] std::vector<std::byte>& bytes(std::string_view shown) {
    return files.files.at(path(shown)).bytes;
  }
  void resize(std::string_view shown, std::size_t size) {
    files.files.at(path(shown)).hole = 0;
    bytes(shown).resize(size);
  }
  void remove(std::string_view shown) { ASSERT_EQ(files.files.erase(path(shown)), 1U) << shown; }
  void add(std::string_view shown, std::string_view text) {
    const auto content = as_bytes(text);
    files.files[path(shown)].bytes.assign(content.begin(), content.end());
  }

  [[nodiscard]] Judgement judge(VerifyLevel level = VerifyLevel::deep,
                                std::string_view broker_conf = "") const {
    Judgement judgement = judge_unreadable(level, broker_conf);
    EXPECT_EQ(judgement.summary.bytes_checked, judgement.summary.bytes_expected);
    return judgement;
  }

  // Of a store with a database that cannot be read: then fewer bytes are checked than there are.
  [[nodiscard]] Judgement judge_unreadable(VerifyLevel level = VerifyLevel::deep,
                                           std::string_view broker_conf = "") const {
    Judgement judgement;
    scan::StoreConfig config;
    config.root = root_;
    if (!broker_conf.empty()) config = *scan::apply_broker_conf(config, broker_conf);
    const auto survey = scan::survey_store(files, config);
    EXPECT_TRUE(survey);
    if (!survey) return judgement;
    VerifyOptions options;
    options.level = level;
    judgement.summary = run_verify(files, *survey, options,
                                   [&](const Finding& finding) { judgement.findings.push_back(finding); });
    EXPECT_LE(judgement.summary.bytes_checked, judgement.summary.bytes_expected);
    return judgement;
  }

  testing::MemoryFileSystem files;

 private:
  std::string root_;
};

// Every finding of the family lies in [from, to) of the file, and there is one.
inline ::testing::AssertionResult names_only(const Judgement& judgement, std::string_view family,
                                             std::string_view file, std::int64_t from, std::int64_t to) {
  const auto findings = judgement.of(family);
  if (findings.empty()) return ::testing::AssertionFailure() << "nothing was found";
  for (const Finding& finding : findings) {
    if (finding.file != file || finding.offset >= to ||
        finding.offset + std::max<std::int64_t>(finding.length, 1) <= from) {
      return ::testing::AssertionFailure() << "elsewhere: " << ::testing::PrintToString(finding);
    }
  }
  return ::testing::AssertionSuccess();
}

inline Severity worst_of(const std::vector<Finding>& findings) {
  Severity worst = Severity::benign;
  for (const Finding& finding : findings) worst = std::max(worst, finding.severity);
  return worst;
}

}  // namespace rmq::forensics
