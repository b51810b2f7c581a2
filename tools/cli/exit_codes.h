// What a process ends with: a sum of these, as fsck has it.
#pragma once

namespace rmq::cli {

inline constexpr int kExitClean = 0;
inline constexpr int kExitUncleanStop = 2;  // verify: an abort file and nothing worse
inline constexpr int kExitProblems = 4;     // problems left, gaps, not found
inline constexpr int kExitFault = 8;        // could not read or write something
inline constexpr int kExitWrongUse = 16;    // arguments, paths, patterns that make no sense
inline constexpr int kExitCancelled = 32;   // SIGINT, SIGTERM
inline constexpr int kExitRefused = 64;     // the store is live or locked

}  // namespace rmq::cli
