// Calls the version of a kernel for an element type, after its `.inc` was compiled for both.
#ifndef NSTM_DISPATCH_H
#define NSTM_DISPATCH_H
#define NSTM_DISPATCH(t, name, ...)                    \
    do {                                               \
        if ((t) == NSTM_F32) name##_f32(__VA_ARGS__);  \
        else name##_f64(__VA_ARGS__);                  \
    } while (0)
#define NSTM_DISPATCH_RETURN(t, name, ...) \
    return (t) == NSTM_F32 ? name##_f32(__VA_ARGS__) : name##_f64(__VA_ARGS__)
#endif
