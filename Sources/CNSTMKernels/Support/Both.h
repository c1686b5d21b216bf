// Defines DISPATCH for a kernel family whose `.inc` has just been compiled for both element types.
#ifndef NSTM_BOTH_H
#define NSTM_BOTH_H
/// Calls the version of a kernel for an element type.
#define NSTM_DISPATCH(t, name, ...)                    \
    do {                                               \
        if ((t) == NSTM_F32) name##_f32(__VA_ARGS__);  \
        else name##_f64(__VA_ARGS__);                  \
    } while (0)
#define NSTM_DISPATCH_RETURN(t, name, ...) \
    return (t) == NSTM_F32 ? name##_f32(__VA_ARGS__) : name##_f64(__VA_ARGS__)
#endif
